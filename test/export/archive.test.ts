import t from 'tap'
import { backupFiles, type ArchivedFile } from '../../src/backup/backup.ts'
import { archiveOf } from '../../src/export/archive.ts'
import { exportDocuments } from '../../src/commands/accounts.ts'
import type { User } from '../../src/store/store.ts'
import { openStore, stateFolder } from '../commands/state-fixture.ts'
import { accountOf, adminByName, byName } from '../store/by-name.ts'
import { hardNames, pushed } from '../store/contract.ts'

/** What the files hold, by their names. */
async function contentOf(files: AsyncIterable<ArchivedFile>): Promise<Record<string, unknown>> {
  const content: Record<string, unknown> = {}
  for await (const { name, bytes } of files) {
    const lines = Buffer.from(bytes).toString().trimEnd().split('\n')
    content[name] = lines.map((line) => ({
      ...(JSON.parse(line) as object),
      ...(name === manifest && { created: '' }),
    }))
  }
  return content
}

const manifest = 'kss-backup.json'

t.test('it is the archive that a backup of the folder would be', async (t) => {
  const dir = await stateFolder(t, async (store) => {
    for (const [at, name] of hardNames.entries()) {
      await store.createUser({ username: name, key: `key of ${name}`, ...(at === 0 && { adopted: true }) })
      for (const document of [name, 'auth']) {
        await byName(store).putProgress(name, { ...pushed, document, metadata: { title: name } })
        await byName(store).putProgress(name, { ...pushed, document, progress: 'next', device_id: 'A' })
      }
    }
    const [one, other] = [await accountOf(store, 'Ann'), await accountOf(store, 'alice')]
    await store.admin.setQuota(one, { documents: 5 })
    await store.admin.setQuota(other, { bytes: 2 ** 30 })
    await store.admin.setAdmin(other, true)
    await adminByName(store).setDisabled('Ann', true)
    await store.admin.setRegistration({ open: false })
    await store.admin.setInvited('eve', true)
  })
  const store = await openStore(dir)
  t.teardown(() => store.close())
  const { users } = await store.admin.listUsers(undefined, 1000)
  const unexpected = (problem: string): void => void t.fail(problem)
  const documentsOf = ({ account }: User) => exportDocuments({ store: store.admin }, account, unexpected)
  const expected = await contentOf(backupFiles(dir))
  t.same(await contentOf(archiveOf(users, documentsOf, await store.getRegistration())), expected)
  const { '.registration.json': _whoMayRegister, ...accounts } = expected
  t.same(await contentOf(archiveOf(users, documentsOf)), accounts, 'who may register only if that is given')
})
