import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hostname } from 'node:os'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { judge, ownIdentity, type ProcessIdentity } from '../../../src/store/file-store/process-identity.ts'

const stat = (state: string, start: number): string => `7 (a) b) ${state} 1 ${'0 '.repeat(17)}${start} 0 0\n`

/** A system that tells this of process `pid`, and has the boot `b1` and the machine `m1`. */
async function system(t: Test, pid: number, told?: string): Promise<string> {
  const root = t.testdir({})
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  await put('proc/sys/kernel/random/boot_id', 'b1\n')
  await put('etc/machine-id', 'm1\n')
  await put('proc/self/ns/x', '')
  await symlink('pid:[1]', join(root, 'proc/self/ns/pid'))
  if (told !== undefined) await put(`proc/${pid}/stat`, told)
  return root
}

const known: ProcessIdentity = { pid: process.pid, start: '55', boot: 'b1', pids: 'pid:[1]', machine: 'm1' }

for (const [what, told, other, expected] of [
  ['runs', stat('S', 55), {}, 'alive'],
  ['has another start: its number was given again', stat('S', 56), {}, 'dead'],
  ['was killed, and its parent did not ask for it yet', stat('Z', 55), {}, 'dead'],
  ['hides when it started', undefined, {}, 'unknown'],
  ['did not know when it started', stat('S', 55), { start: '' }, 'unknown'],
  ['is of an earlier boot of this machine', stat('S', 55), { boot: 'b0' }, 'dead'],
  ['is of another machine', stat('S', 55), { boot: 'b0', machine: 'm2' }, 'unknown'],
  ['is of a machine without a name', stat('S', 55), { boot: 'b0', machine: '' }, 'unknown'],
  ['is of another container', stat('S', 55), { pids: 'pid:[2]' }, 'unknown'],
  ['has no number', undefined, { pid: 'x' as unknown as number }, 'unknown'],
] as const) {
  t.test(`a process that ${what} is ${expected}`, async (t) => {
    const root = await system(t, process.pid, told)
    t.equal(await judge({ ...known, ...other }, root), expected)
  })
}

t.test('a process that has ended is dead, and this one is alive', async (t) => {
  const own = await ownIdentity()
  t.equal(await judge(own), 'alive')
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  t.equal(await judge({ ...own, pid: child.pid! }), 'dead')
})

t.test('where the system tells nothing, the name of the machine stands for its boot', async (t) => {
  const root = t.testdir({})
  const own = await ownIdentity(root)
  t.same(own, { pid: process.pid, start: '', boot: hostname(), pids: '', machine: '' })
  t.equal(await judge(own, root), 'unknown')
  t.equal(await judge({ ...own, boot: 'other' }, root), 'unknown')
})
