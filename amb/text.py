"""Small pieces of text that messages, tables and captions share."""


def plural(count: int, noun: str, nouns: str = "") -> str:
    """The count, with thousands separators, and its noun: "1 run", "1,200 runs"; `nouns` is an irregular plural."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def duration(seconds: float) -> str:
    """Seconds as people say them: "1 h 5 min", "3 min 40 s", "12 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def wrapped(text: str) -> str:
    """The text in lines that fit the terminal; no word is broken."""
    from shutil import get_terminal_size
    from textwrap import fill

    return fill(text, get_terminal_size().columns, break_long_words=False, break_on_hyphens=False)
