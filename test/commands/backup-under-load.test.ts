import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import t, { type Test } from 'tap'
import { folder, headersOf, openStore } from './state-fixture.ts'
import { kss, serve, type Ended } from './kss.ts'
import { bundled } from '../launcher.ts'
import { byName } from '../store/by-name.ts'

const backups = 20
const env = { KSS_HISTORY_LIMIT: '0' }
const usernames = ['ann', 'Bob', '李']
const documents = ['one', 'Two', 'three.epub', '4/../5']

/** A document that is pushed to: its positions are the numbers from 1 on. */
interface Pushed {
  username: string
  document: string
  acknowledged: number
  sent: number
}

/** What its positions may be in one backup. */
interface Bounds {
  pushed: Pushed
  least: number
  most: number
}

/** Pushes the next position, and the next, until it is over. */
async function push(url: string, pushed: Pushed, over: AbortSignal): Promise<void> {
  const { username, document } = pushed
  const headers = headersOf(Buffer.from(username).toString('latin1'), 'secret')
  while (!over.aborted) {
    pushed.sent += 1
    const body = { document, percentage: pushed.sent / 1e6, progress: `${pushed.sent}`, device: 'Kobo' }
    const reply = await fetch(`${url}/syncs/progress`, { method: 'PUT', headers, body: JSON.stringify(body) })
    if (reply.status !== 200) throw new Error(`push ${pushed.sent} of ${document}: ${reply.status}`)
    pushed.acknowledged = pushed.sent
    await sleep(2)
  }
}

/** What a restored folder has of the document: its position, 0 for none, and the numbers in its history. */
async function positionsIn(dir: string, { username, document }: Pushed): Promise<{ last: number; history: number[] }> {
  const store = await openStore(dir)
  const record = await byName(store).getProgress(username, document)
  const history = await byName(store).listHistory(username, document)
  await store.close()
  return { last: Number(record?.progress ?? 0), history: history.map(({ progress }) => Number(progress)) }
}

async function backUp(t: Test, dir: string, path: string, all: Pushed[]): Promise<{ bounds: Bounds[]; made: Ended }> {
  const least = all.map(({ acknowledged }) => acknowledged)
  const made = await kss(t, ['backup', 'create', path, '--dir', dir], env, undefined, bundled)
  return { made, bounds: all.map((pushed, at) => ({ pushed, least: least[at] ?? 0, most: pushed.sent })) }
}

t.test(
  'each backup of a server that is pushed to holds what each document held meanwhile, and its history',
  async (t) => {
    const dir = await folder(t)
    const store = await openStore(dir)
    for (const username of usernames) {
      await store.createUser({ username, key: headersOf(username, 'secret')['x-auth-key'] ?? '' })
    }
    await store.close()
    const server = await serve(t, dir, [], env)
    const all = usernames.flatMap((username) =>
      documents.map((document): Pushed => ({ username, document, acknowledged: 0, sent: 0 })),
    )
    const over = new AbortController()
    const pushing = Promise.all(all.map((pushed) => push(server.url, pushed, over.signal)))
    const archives = await folder(t)
    const limit = pLimit(2)
    const taken = await Promise.all(
      Array.from({ length: backups }, (_, at) => limit(() => backUp(t, dir, join(archives, `${at}.tar.gz`), all))),
    )
    over.abort()
    await pushing
    t.equal(await server.stop(), 0)
    for (const { made } of taken) t.match(made, { code: 0, stderr: '' })
    t.equal((await readdir(archives)).length, backups, 'no temporary file is left')

    const restored = taken.map(({ bounds }, at) =>
      limit(async () => {
        const target = join(archives, `restored-${at}`)
        const args = ['backup', 'restore', join(archives, `${at}.tar.gz`), '--dir', target]
        const ended = await kss(t, args, env, undefined, bundled)
        t.match(ended, { code: 0, stderr: '' })
        for (const { pushed, least, most } of bounds) {
          const { last, history } = await positionsIn(target, pushed)
          const name = `${pushed.document} of ${pushed.username} in backup ${at}`
          t.ok(last >= least && last <= most, `${name}: ${least} <= ${last} <= ${most}`)
          t.same(
            history,
            Array.from({ length: last }, (_, index) => index + 1),
            `${name}: its history has no gap`,
          )
        }
        const { 'x-auth-key': key } = JSON.parse(await readFile(join(target, 'ann', 'auth.json'), 'utf8')) as {
          'x-auth-key': string
        }
        t.match(key, /^\$scrypt\$/)
      }),
    )
    await Promise.all(restored)
    t.ok(
      taken.some(({ bounds }) => bounds.some(({ least, most }) => least > 0 && most > least)),
      'pushes ran meanwhile',
    )
  },
)
