"""The atlas of a network as one page that opens offline."""
