// How long it takes to move 100,000 positions in, back them up and restore them. In the project's root, after npm run build:
//   npx tsc -p bench && node dist/bench/migrate.js [users]
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const documents = 100_000

/** As myelsukov's server keeps them; each user has a key to hash. */
function makeUsers(count: number): object {
  const users = Array.from({ length: count }, (_, number) => {
    const names = Array.from({ length: documents / count }, (_none, at) => `${number}-${at}`)
    const each = names.map((name, at) => [
      name,
      {
        progress: '/body/DocFragment[11]/body/p[7]',
        percentage: at / count,
        device: 'Kobo',
        timestamp: 1_700_000_000 + at,
      },
    ])
    const username = `user${number}`
    return [username, { username, userkey: `key of ${username}`, documents: Object.fromEntries(each) as object }]
  })
  return Object.fromEntries(users) as object
}

function measure(what: string, args: string[]): void {
  const start = performance.now()
  execFileSync(process.execPath, ['bin/kss.cjs', ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  console.log(`${what.padEnd(16)} ${((performance.now() - start) / 1000).toFixed(1)} s`)
}

const users = Number(process.argv[2] ?? 500)
const folder = mkdtempSync(join(tmpdir(), 'kss-migrate-'))
try {
  const [source, dir, archive] = ['users.json', 'state', 'kss.tar.gz'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(source, JSON.stringify(makeUsers(users)))
  console.log(`${documents.toLocaleString('en')} positions of ${users} users`)
  measure('import', ['import', 'users-json', source, '--dir', dir])
  measure('import again', ['import', 'users-json', source, '--dir', dir])
  measure('user list', ['user', 'list', '--dir', dir])
  measure('check', ['check', '--dir', dir])
  measure('backup create', ['backup', 'create', archive, '--dir', dir])
  measure('backup restore', ['backup', 'restore', archive, '--dir', join(folder, 'restored')])
} finally {
  rmSync(folder, { recursive: true, force: true })
}
