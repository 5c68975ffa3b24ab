import type { Command } from 'commander'
import type { Progress } from '../protocol.ts'
import { readRows } from '../store/folder-reader.ts'
import { readUserRecords } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { withState, type StateFlags } from './state.ts'
import { formatTime, print, table } from './terminal.ts'

/** What is known of a reader. */
export interface Device {
  /** Null for one that sends none. */
  device_id: string | null
  /** What it called itself, the latest first. */
  names: string[]
  /** Seconds since 1970. */
  first_seen: number
  last_seen: number
  /** Changes of positions that the records and their history know of. */
  pushes: number
}

/** `kss device list`. */
export function defineDevice(program: Command): void {
  const device = program.command('device').description('show the readers of an account')
  jsonCommand(device, 'list <user>', 'show the readers of an account, from its positions and their history')
    .addHelpText('after', examples('kss device list alice'))
    .action(list)
}

async function list(username: string, flags: StateFlags): Promise<void> {
  const devices = await withState(flags, async (state) => {
    const pushes: Progress[] = []
    for (const stored of await readUserRecords(state, username)) {
      // The record: its time may be newer than that of its last change.
      pushes.push(...readRows(stored))
      if (pushes.at(-1)?.timestamp !== stored.record.timestamp) pushes.push(stored.record)
    }
    return collectDevices(pushes)
  })
  print(flags.json, devices, () => {
    if (devices.length === 0) return `${username} has pushed nothing yet.\n`
    const head = ['NAME', 'ID', 'FIRST SEEN', 'LAST SEEN', 'PUSHES']
    return table(
      head,
      devices.map(({ names, device_id, first_seen, last_seen, pushes }) => {
        return [names.join(', '), device_id ?? '', formatTime(first_seen), formatTime(last_seen), `${pushes}`]
      }),
    )
  })
}

/** The devices of the pushes, the one that was seen last first. A device without an id goes by its name. */
export function collectDevices(pushes: Progress[]): Device[] {
  const devices = new Map<string, Device>()
  for (const { device, device_id = null, timestamp } of pushes.toSorted((a, b) => a.timestamp - b.timestamp)) {
    const key = JSON.stringify(device_id ?? [device])
    const known = devices.get(key)
    const names = [device, ...(known?.names ?? []).filter((name) => name !== device)]
    const [first_seen, count] = [known?.first_seen ?? timestamp, (known?.pushes ?? 0) + 1]
    devices.set(key, { device_id, names, first_seen, last_seen: timestamp, pushes: count })
  }
  return [...devices.values()].toSorted((one, other) => other.last_seen - one.last_seen)
}
