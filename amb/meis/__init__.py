"""Most exciting inputs: what a study found, and what is measured for every one of them."""
