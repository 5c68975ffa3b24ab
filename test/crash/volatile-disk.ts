import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Random } from './random.ts'

const run = promisify(execFile)

/** What each needs, in MiB, and how it is made. */
const fileSystems = {
  ext4: { size: 96, make: ['mkfs.ext4', '-q', '-F'] },
  xfs: { size: 320, make: ['mkfs.xfs', '-q', '-f'] },
  btrfs: { size: 160, make: ['mkfs.btrfs', '-q', '-f'] },
} as const

export type FileSystem = keyof typeof fileSystems

export function isFileSystem(name: string): name is FileSystem {
  return name in fileSystems
}

/** A file system on a disk whose power can be cut: what was not flushed is lost in part. */
export interface VolatileDisk {
  /** Where the file system is mounted. */
  folder: string
  /** Cuts the power, has `kill` end who uses the disk, and mounts what the cut left. */
  cut: (kill: () => Promise<void>) => Promise<void>
  /** What the cuts kept and lost, in sectors or writes, as JSON. */
  tell: () => Promise<string>
  close: () => Promise<void>
}

/** Needs Linux, root, FUSE, Python 3 with fusepy, and the mkfs of the file system. `place` is a folder of its own. */
export async function openVolatileDisk(fileSystem: FileSystem, place: string, seed: number): Promise<VolatileDisk> {
  const { size, make } = fileSystems[fileSystem]
  const [device, folder] = [join(place, 'device'), join(place, 'mounted')]
  for (const each of [device, folder]) await mkdir(each, { recursive: true })
  const [disk, control] = [join(device, 'disk'), join(device, 'control')]
  const script = fileURLToPath(new URL('../../test/crash/volatile_disk.py', import.meta.url))
  const daemon = spawn('/usr/bin/env', ['python3', script, device, `${size * 2 ** 20}`], { stdio: 'inherit' })
  daemon.unref()
  while (!(await stat(disk).catch(() => undefined))) {
    if (daemon.exitCode !== null) throw new Error('the disk did not start: see above')
    await sleep(50)
  }
  const random = new Random(seed)
  let loop = ''
  const attach = async (): Promise<void> => {
    loop = (await run('losetup', ['--find', '--show', disk])).stdout.trim()
  }
  const mount = (): Promise<unknown> => run('mount', ['-t', fileSystem, loop, folder])
  const detach = async (): Promise<void> => {
    await run('umount', [folder])
    await run('losetup', ['--detach', loop])
  }
  await attach()
  await run(make[0], [...make.slice(1), loop])
  await mount()
  return {
    folder,
    cut: async (kill) => {
      await writeFile(control, 'off')
      await kill()
      await detach()
      await writeFile(control, `cut ${random.next()}`)
      await attach()
      await mount()
    },
    tell: () => readFile(control, 'utf8'),
    close: async () => {
      await detach()
      await run('umount', [device])
      if (daemon.exitCode === null) await once(daemon, 'exit')
    },
  }
}
