import type { Progress } from '../kosync/protocol.ts'
import { isRestored } from './restore.ts'

/**
 * Who pushed, in a sentence that begins with `article` where there is no name: a restore is of no reader, and who is told
 * to change a reader must not look for one that is called kss.
 */
export function readerName(push: Pick<Progress, 'device' | 'device_id'>, article = 'a'): string {
  if (isRestored(push)) return `${article} reader`
  return push.device === '' ? `${article} reader without a name` : push.device
}
