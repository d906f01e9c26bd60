"""The leaderboard page: one HTML file, from one or many studies, that needs no network.

`gather` unites studies in a `Board`, `payload` turns a board into the page's data, `html` writes the file; `template/`
holds the scripts that run in the browser, one concept per file.
"""
