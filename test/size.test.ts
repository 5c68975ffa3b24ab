import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const script = join(import.meta.dirname, '..', 'build', 'size.js')

t.test('npm run size counts the code, and measures the files on the way of a request', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [script])
  t.match(stdout, /^Lines with code \(.*\): \d{4,} in \d+ files\n {2}of them in the server core \(.*\): \d{4} in \d+\n/)
  t.match(
    stdout,
    /\nLines of a file, of any kind: median \d\d; the largest:\n(?: {2}\d+ [\w/.-]+\.ts\n){8}Functions over 40/,
  )
  const [, put = '', get = ''] = stdout.split(/^Files in which .*\n/m)
  t.match(put, / {2}kosync\/syncs\.ts\n[^]*file-store\/wal\//, 'a push goes through the log')
  t.match(get, / {2}kosync\/syncs\.ts\n/)
  t.notMatch(get, /wal\/(?!memtable)/, 'a pull only asks the memtable whether it knows more than the file')
})
