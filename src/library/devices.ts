import type { Progress } from '../kosync/protocol.ts'

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

/** The devices of the pushes, the one that was seen last first. A device without an id goes by its name. */
export function collectDevices(pushes: Progress[]): Device[] {
  const devices = new Devices()
  for (const push of pushes) devices.add(push)
  return devices.list().map(({ device }) => device)
}

/** A device with what it pushed last. */
export interface SeenDevice {
  device: Device
  last: Progress
}

/** Collects devices from pushes in any order, in the memory that the devices need. */
export class Devices {
  readonly #seen = new Map<string, { first: Progress; last: Progress; pushes: number; names: Map<string, number> }>()

  add(push: Progress): void {
    const key = deviceKey(push)
    const { device, timestamp } = push
    const seen = this.#seen.get(key) ?? { first: push, last: push, pushes: 0, names: new Map<string, number>() }
    seen.pushes += 1
    if (timestamp < seen.first.timestamp) seen.first = push
    if (timestamp >= seen.last.timestamp) seen.last = push
    const known = seen.names.get(device) ?? timestamp
    // Anew, so that of names of one second the last one counts.
    seen.names.delete(device)
    seen.names.set(device, Math.max(known, timestamp))
    this.#seen.set(key, seen)
  }

  /** The one that was seen last first. */
  list(): SeenDevice[] {
    const all = [...this.#seen.values()].map(({ first, last, pushes, names }) => ({
      device: {
        device_id: last.device_id ?? null,
        names: [...names]
          .toSorted(([, one], [, other]) => one - other)
          .map(([name]) => name)
          .toReversed(),
        first_seen: first.timestamp,
        last_seen: last.timestamp,
        pushes,
      },
      last,
    }))
    return all.toSorted((one, other) => other.device.last_seen - one.device.last_seen)
  }
}

/** The same for pushes of the same device. */
export function deviceKey({ device, device_id }: Pick<Progress, 'device' | 'device_id'>): string {
  return JSON.stringify(device_id ?? [device])
}
