import { trimBlanks } from '../kosync/credentials.ts'
import type { Quota, User } from '../store/store.ts'
import { adminPage } from './admin-page.ts'
import { warnOfLockOut } from './admin-lock-out.ts'
import { findUser, userPage } from './admin-user.ts'
import { userPath } from './admin-users.ts'
import { html, notice } from './page.ts'
import { readPasswordChoice, showPassword } from './password-choice.ts'
import { Refusal } from './refusal.ts'
import type { Answer, ReaderVisit } from './route.ts'
import { isName, nameRule } from './sign-up.ts'

export const disableUser = act(async (visit, user) => {
  const warning = await warnOfLockOut(visit, user, 'disable')
  if (warning) return warning
  await visit.options.admin.setDisabled(user.account, true)
  return await done(visit, user, 'disabled', ['user', 'disable'])
})

export const enableUser = act(async (visit, user) => {
  await visit.options.admin.setDisabled(user.account, false)
  return await done(visit, user, 'enabled', ['user', 'enable'])
})

export const setOperator = act(async (visit, user) => {
  const isOn = visit.form.get('on') === 'yes'
  const warning = isOn ? undefined : await warnOfLockOut(visit, user, 'operator')
  if (warning) return warning
  await visit.options.admin.setAdmin(user.account, isOn)
  return await done(visit, user, isOn ? 'operator' : 'reader', ['user', 'admin'], isOn ? [] : ['--off'])
})

export const renameUser = act(async (visit, user) => {
  const to = trimBlanks(visit.form.get('to') ?? '')
  if (!isName(to)) {
    return await refuse(visit, user, nameRule)
  }
  if (to === user.username) return await refuse(visit, user, 'That is its name already.')
  if (!(await visit.options.admin.renameUser(user.account, to))) {
    return await refuse(visit, user, 'This name is taken. Nothing was changed.')
  }
  const tasks = await visit.options.tasks()
  tasks.record(visit.account.username, ['user', 'rename', user.username, to])
  return { redirect: userPath('', to, 'renamed') }
})

export const setPassword = act(async (visit, user) => {
  const chosen = readPasswordChoice(visit.form)
  if ('error' in chosen) return await refuse(visit, user, chosen.error)
  await visit.options.accounts.replaceKey(user.account, chosen.key)
  const answer = await done(visit, user, 'password', ['user', 'passwd'])
  if (chosen.password === undefined) return answer
  const body = html`${notice('The account has another password. Log in with it on each reader.')}
    ${showPassword(user.username, chosen.password)}
    <p><a href="${userPath(visit.base, user.username)}">To the account</a></p>`
  return adminPage(visit, 'New password', body)
})

export const setQuota = act(async (visit, user) => {
  const quota = readQuota(visit.form)
  if (!quota) return await refuse(visit, user, 'A limit is a number, as 500; 0 is no limit. Nothing was changed.')
  await visit.options.admin.setQuota(user.account, quota)
  const words = Object.entries(quota).flatMap(([key, value]) => [`--${key}`, String(value)])
  return await done(visit, user, 'quota', ['user', 'quota'], words.length > 0 ? words : ['--default'])
})

export const removeUser = act(async (visit, user) => {
  if (trimBlanks(visit.form.get('typed') ?? '') !== user.username) {
    return await refuse(visit, user, 'That is not the name of this account. Nothing was removed.')
  }
  const warning = await warnOfLockOut(visit, user, 'remove')
  if (warning) return warning
  await visit.options.store.deleteUser(user.account)
  const tasks = await visit.options.tasks()
  tasks.record(visit.account.username, ['user', 'rm', user.username])
  return { redirect: '/admin/users' }
})

type Action = (visit: ReaderVisit, user: User) => Promise<Answer>

/** Runs the action for the account of the page. Throws a Refusal if that account is gone, or changes meanwhile. */
function act(action: Action): (visit: ReaderVisit) => Promise<Answer> {
  return async (visit) => {
    const user = await findUser(visit, visit.form.get('username') ?? '')
    if (user.account.id !== visit.form.get('id')) throw changed()
    try {
      return await action(visit, user)
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'STALE_ACCOUNT' ? changed() : error
    }
  }
}

function changed(): Refusal {
  return new Refusal(409, 'The account was changed meanwhile', 'Nothing was done. Open its page again.')
}

async function done(
  visit: ReaderVisit,
  user: User,
  outcome: string,
  words: string[],
  flags: string[] = [],
): Promise<Answer> {
  const tasks = await visit.options.tasks()
  tasks.record(visit.account.username, [...words, user.username, ...flags])
  return { redirect: userPath('', user.username, outcome) }
}

async function refuse(visit: ReaderVisit, user: User, message: string): Promise<Answer> {
  return await userPage(visit, user, notice(message, 'alert'), 400)
}

/** The quota in the form, without empty fields; undefined if a field is no number. */
function readQuota(form: URLSearchParams): Partial<Quota> | undefined {
  const [documents, megabytes] = [form.get('documents')?.trim() ?? '', form.get('megabytes')?.trim() ?? '']
  if (!/^\d{0,9}$/.test(documents) || !/^(\d{1,9}(\.\d{1,6})?)?$/.test(megabytes)) return undefined
  return {
    ...(documents !== '' && { documents: Number(documents) }),
    ...(megabytes !== '' && { bytes: Math.round(Number(megabytes) * 2 ** 20) }),
  }
}
