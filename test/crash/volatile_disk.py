"""A disk with a volatile cache, as the file `disk` on FUSE. Arguments: the mount point, and the size of the disk in bytes.

What is written is durable when a flush comes after it. `control` takes two commands: `off`, after which writes and flushes
fail; and `cut SEED`, which keeps some of the writes that no flush followed, in part or whole, and takes writes again. Which
ones is random. Reading `control` tells how many, as JSON.
"""

import errno
import json
import random
import stat
import sys
import threading

try:
    from fusepy import FUSE, FuseOSError, Operations
except ImportError:
    from fuse import FUSE, FuseOSError, Operations

# Bytes that a disk writes as a whole.
SECTOR = 4096


class VolatileDisk(Operations):
    def __init__(self, size):
        self.size = size
        self.mutex = threading.Lock()
        self.content = bytearray(size)
        self.durable = bytearray(size)
        self.unflushed = []
        self.is_on = True
        self.told = {"flushes": 0, "cuts": 0, "kept": 0, "lost": 0}

    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path == "/disk":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self.size}
        if path == "/control":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": len(self.tell())}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path, fh):
        return [".", "..", "disk", "control"]

    def truncate(self, path, length, fh=None):
        return 0

    def read(self, path, length, offset, fh):
        content = self.content if path == "/disk" else self.tell()
        return bytes(content[offset : offset + length])

    def write(self, path, data, offset, fh):
        with self.mutex:
            if path == "/control":
                self.command(*data.decode().split())
            else:
                self.require_power()
                self.content[offset : offset + len(data)] = data
                self.unflushed.append((offset, data))
        return len(data)

    def fsync(self, path, datasync, fh):
        with self.mutex:
            if path == "/disk":
                self.require_power()
                for offset, data in self.unflushed:
                    self.put(offset, data)
                self.unflushed.clear()
                self.told["flushes"] += 1
        return 0

    def put(self, offset, data):
        self.durable[offset : offset + len(data)] = data

    def require_power(self):
        if not self.is_on:
            raise FuseOSError(errno.EIO)

    def tell(self):
        return json.dumps(self.told).encode()

    def command(self, word, seed=""):
        self.is_on = word != "off"
        if word == "cut":
            self.cut(random.Random(seed))

    def cut(self, chance):
        share = chance.choice([0, 0.1, 0.5, 0.5, 0.9, 1])
        # Some disks write in the order in which they are asked to.
        last = chance.choice([len(self.unflushed), chance.randrange(len(self.unflushed) + 1)])
        tears = chance.random() < 0.5
        for at, (offset, data) in enumerate(self.unflushed):
            step = SECTOR if tears else len(data)
            for start in range(0, len(data), step):
                is_kept = at < last and chance.random() < share
                self.told["kept" if is_kept else "lost"] += 1
                if is_kept:
                    self.put(offset + start, data[start : start + step])
        self.unflushed.clear()
        self.content = bytearray(self.durable)
        self.told["cuts"] += 1


FUSE(VolatileDisk(int(sys.argv[2])), sys.argv[1], foreground=True, big_writes=True, direct_io=True)
