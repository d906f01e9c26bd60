"""`amb --version`: the versions that results depend on."""

from importlib.metadata import version


def print_version() -> None:
    """Print amb's version, and in the lines after it the name and version of every suite, as reports name them."""
    from amb.catalogue.plugins import plugins
    from amb.catalogue.suites import suite, suite_names
    from amb.errors import AmbError
    from amb.study.untrusted import plain
    from amb.text import wrapped

    print(f"amb {version('amb')}")
    suites = []
    for name in suite_names():
        try:
            suites.append(f"{name}-{suite(name).version}")
        except AmbError:
            suites.append(f"{name} (cannot be loaded; from {plugins('suites')[name].origin})")
    print(wrapped(plain(f"suites: {', '.join(suites)}")))
