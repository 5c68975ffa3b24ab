import type { Command } from 'commander'
import { CommandError } from '../command-error.ts'
import type { Progress } from '../kosync/protocol.ts'
import { collectDevices } from '../library/devices.ts'
import { findMismatches } from '../library/mismatches.ts'
import { exportDocuments, findUser, tellDamagedRecord } from './accounts.ts'
import { examples, jsonCommand } from './define.ts'
import { findByName, listNames } from './find-by-name.ts'
import { describeMismatches } from './matching.ts'
import { withState, type StateFlags } from '../control/state.ts'
import { formatTime, print, table } from './terminal.ts'

/** `kss device list`. */
export function defineDevice(program: Command): void {
  const device = program.command('device').description('show the readers of an account')
  jsonCommand(device, 'list <user>', 'show the readers of an account, from its positions and their history')
    .addHelpText('after', examples('kss device list alice'))
    .action(list)
}

async function list(username: string, flags: StateFlags): Promise<void> {
  const { devices, records } = await withState(flags, async (state) => {
    const pushes: Progress[] = []
    const found: Progress[] = []
    const { account } = await findUser(state, username)
    for await (const { record, rows } of exportDocuments(state, account, tellDamagedRecord)) {
      found.push(record)
      pushes.push(...rows)
      // The time of the record may be newer than that of its last change.
      if (rows.at(-1)?.timestamp !== record.timestamp) pushes.push(record)
    }
    return { devices: collectDevices(pushes), records: found }
  })
  await print(flags.json, devices, async () => {
    if (devices.length === 0) return `${username} has pushed nothing yet.\n`
    const head = ['NAME', 'ID', 'FIRST SEEN', 'LAST SEEN', 'PUSHES']
    const rows = devices.map(({ names, device_id, first_seen, last_seen, pushes }) => {
      return [names.join(', '), device_id ?? '', formatTime(first_seen), formatTime(last_seen), `${pushes}`]
    })
    return (await table(head, rows)) + describeMismatches(username, findMismatches(records))
  })
}

/**
 * Whether a push is of the reader that a person means by its name or id, or by a part; readers of one name count as
 * one. Throws CommandError unless the pushes have one such reader.
 */
export function isByDevice(pushes: Progress[], asked: string): (push: Progress) => boolean {
  const devices = collectDevices(pushes)
  const found = findByName(devices, ({ names, device_id }) => [...names, device_id ?? ''], asked)
  const [first] = found
  if (!first) {
    throw new CommandError(`No reader ${asked}; there are ${listNames(devices.map(({ names: [name = ''] }) => name))}.`)
  }
  if (found.some(({ names: [name] }) => name !== first.names[0])) {
    const names = found.map(({ names: [name], device_id }) =>
      device_id === null ? `${name}` : `${name} (${device_id})`,
    )
    throw new CommandError(
      `${asked} matches ${found.length} readers: ${listNames(names)}. Pass a longer part of the name.`,
    )
  }
  return ({ device, device_id = null }) =>
    found.some((each) => each.device_id === device_id && (device_id !== null || each.names.includes(device)))
}
