import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { connect, type Server, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'

/** Bytes of a path that a Unix socket may have: 104 on macOS, 108 on Linux, with the NUL at the end. */
const longestPath = 100

/** Binds the server to a socket at the path, of any length, and listens. */
export async function listenAt(server: Server, path: string): Promise<void> {
  inFolder(path, (name) => server.listen(name))
  await once(server, 'listening')
}

/** Connects to the socket at the path, of any length. */
export function connectTo(path: string): Socket {
  return inFolder(path, (name) => connect(name))
}

/**
 * Calls `use` with a name for the path that a socket can have. Where the path is too long, that is its last part, while
 * its folder is the working directory. Node binds and connects before listen() and connect() return (net.js calls
 * uv_pipe_bind2 and uv_pipe_connect2, which make the system call at once), so the directory changes back before anything
 * else runs.
 */
function inFolder<T>(path: string, use: (name: string) => T): T {
  if (Buffer.byteLength(path) <= longestPath) return use(path)
  const before = process.cwd()
  // Under sudo the process may stand in a folder that it cannot enter again.
  accessSync(before, constants.X_OK)
  process.chdir(dirname(path))
  try {
    return use(basename(path))
  } finally {
    process.chdir(before)
  }
}
