"""The leaderboard page: one HTML file, from one or many studies, that needs no network.

`gather` unites studies to a `Board`, `payload` turns a board into the page's data, `html` writes the file; `template/`
holds what runs in the browser, a concept a file.
"""
