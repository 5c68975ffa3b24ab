/** Not even a stray one is a user's: what mkfs leaves at the top of a disk. */
export const foreignFolders = new Set(['lost+found'])

/** Whether a folder of that name in the state directory may be a user's. */
export function mayBeUsers(name: string): boolean {
  return !name.startsWith('.') && !foreignFolders.has(name)
}
