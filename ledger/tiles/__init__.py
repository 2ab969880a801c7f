"""The log as static files: C2SP tlog-tiles (c2sp.org/tlog-tiles).

`layout` names the files, `publish` makes their bytes from a log's storage, `export` writes them to a `folder` or a
`bucket`, `read` opens such files again and checks them. A tile holds up to 256 hashes of one level; a bundle
the entries under a tile of the lowest level.
"""

from ledger.tiles.bucket import BucketTarget
from ledger.tiles.export import Exported, Target, export
from ledger.tiles.folder import FolderSource, FolderTarget
from ledger.tiles.layout import Tile
from ledger.tiles.publish import tile_bytes
from ledger.tiles.read import TileLog

__all__ = [
    "BucketTarget",
    "Exported",
    "FolderSource",
    "FolderTarget",
    "Target",
    "Tile",
    "TileLog",
    "export",
    "tile_bytes",
]
