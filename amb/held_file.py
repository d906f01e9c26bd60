"""Files that stay open for as long as somebody holds the object that reads them."""

from io import FileIO


class HeldFile(FileIO):
    """A file without a buffer, which closes when nobody holds it any more; Python warns of other files then."""

    def __del__(self) -> None:
        self.close()
