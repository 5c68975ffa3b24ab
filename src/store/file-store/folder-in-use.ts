/** What a process that holds a folder tells others about itself. */
export type Holder = Record<string, string | number | boolean>

/** Another process has the folder. */
export class FolderInUse extends Error {
  readonly holder: Holder | undefined
  /** The path of the socket on which it takes calls; undefined where the file system has no sockets. */
  readonly socket: string | undefined

  constructor(holder: Holder | undefined, socket?: string) {
    super('the folder is in use')
    this.holder = holder
    this.socket = socket
  }
}
