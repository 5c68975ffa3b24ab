import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { encode } from '@msgpack/msgpack'
import t from 'tap'
import { bundleOneFile, makeExecutable } from '../build/one-file.js'
import { builtinSqlite } from '../src/import/sqlite-file.ts'
import { readVersion } from '../src/version.ts'
import { testExamples } from './commands/example-lines.ts'
import { freePort } from './free-port.ts'
import { startServer, syncOnce } from './server-process.ts'

const run = promisify(execFile)

// Outside of the project, so that nothing in there finds the project's node_modules.
const folder = await mkdtemp(join(tmpdir(), 'kss-test-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const file = await bundleOneFile(folder)
const executable = await makeExecutable(file, folder)

// What tap lets Node load is in the project.
const clean = ['-u', 'NODE_OPTIONS']

const commands: [string, string[]][] = [
  ['the file', [process.execPath, file]],
  ['the executable', [executable]],
]
for (const [name, command] of commands) {
  t.test(`${name} alone`, async (t) => {
    const kss = (...args: string[]): Promise<{ stdout: string }> => run('env', [...clean, ...command, ...args])

    await t.test('prints its version', async (t) => {
      t.equal((await kss('--version')).stdout, `${readVersion()}\n`)
    })

    await t.test('serves a reader and a browser, and stops on SIGTERM with exit code 0', async (t) => {
      const server = await startServer(t, ['env', ...clean, ...command], join(folder, `state of ${name}`))
      t.match(await syncOnce(server.url), { document: 'dune', percentage: 0.25 })
      const page = await (await fetch(`${server.url}/sign-in`, { headers: { accept: 'text/html' } })).text()
      for (const [, path = ''] of page.matchAll(/(?:href|src)="([^"]+\.(?:css|js))"/g)) {
        const asset = await fetch(new URL(path, server.url))
        t.equal(asset.status, 200, path)
        t.not((await asset.text()).length, 0)
      }
      t.match(page, /style-[0-9a-f]{16}\.css/)
      t.equal(await server.stop(), 0)
    })

    await t.test('imports a KOsync backup in MessagePack: its driver is in it', async (t) => {
      const users = { ann: { username: 'ann', password: 'K', documents: {}, history: {} } }
      const body = Buffer.from(encode({ schema: 1, config: {}, users })).toString('base64')
      const headers = 'Content-Type: application/vnd.msgpack\n\n'
      const backup = join(folder, 'kosync.bak')
      await writeFile(backup, `-----BEGIN KOSYNC BACKUP-----\n${headers}${body}\n-----END KOSYNC BACKUP-----\n`)
      const { stdout } = await kss('import', 'kosync-go', backup, '--dir', join(folder, `import of ${name}`))
      t.match(stdout, /ann/)
    })

    await t.test('asks a Redis: its driver is in it', async (t) => {
      const env = { ...process.env, KSS_STORE: `redis://127.0.0.1:${await freePort()}` }
      const asked: unknown = await run('env', [...clean, ...command, 'user', 'list'], { env }).catch(
        (error: unknown) => error,
      )
      t.match(asked, { stderr: /^It failed: Redis at .* cannot be reached\n$/ })
    })

    const hasSqlite = builtinSqlite() !== undefined
    await t.test('names the driver that it cannot load', { skip: hasSqlite && 'this Node has SQLite' }, async (t) => {
      const database = join(folder, 'sqlite.db')
      await writeFile(database, 'SQLite format 3\0')
      await t.rejects(kss('import', 'koinsight', database, '--dir', join(folder, 'none')), {
        code: 1,
        stderr:
          'This import needs the package node-sqlite3-wasm, which kss of one file cannot load. ' +
          'Use Node 22.13 or newer, which has SQLite in it.\n',
      })
    })

    await t.test('runs an example of every command', (t) =>
      testExamples(t, { command: ['env', ...clean, ...command], most: 1 }),
    )
  })
}
