"""The reports that come with `amb`; each is registered by entry point, as a third party's would be."""
