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
