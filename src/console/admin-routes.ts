import { showActivity } from './admin-activity.ts'
import { addUser, showAddUser } from './admin-add-user.ts'
import { downloadBackup, makeBackup, showBackups } from './admin-backups.ts'
import { runCheck, showCheck } from './admin-check.ts'
import {
  allowReturn,
  cancelInvitation,
  closeRegistration,
  invite,
  openRegistration,
  resetRegistration,
  showRegistration,
} from './admin-registration.ts'
import { showSettings } from './admin-settings.ts'
import {
  disableUser,
  enableUser,
  removeUser,
  renameUser,
  setOperator,
  setPassword,
  setQuota,
} from './admin-user-actions.ts'
import { showUser } from './admin-user.ts'
import { showUsers } from './admin-users.ts'
import { showAdmin } from './admin.ts'
import { get, post, type Route } from './route.ts'

const confirm = true

/** The routes for operators only. */
export const adminRoutes: Route[] = [
  get('/admin', 'operator', showAdmin),

  get('/admin/users', 'operator', showUsers),
  get('/admin/users/add', 'operator', showAddUser),
  post('/admin/users/add', 'operator', addUser),
  get('/admin/user', 'operator', showUser),
  post('/admin/user/disable', 'operator', disableUser, { confirm }),
  post('/admin/user/enable', 'operator', enableUser),
  post('/admin/user/operator', 'operator', setOperator, { confirm }),
  post('/admin/user/password', 'operator', setPassword, { confirm }),
  post('/admin/user/rename', 'operator', renameUser, { confirm }),
  post('/admin/user/quota', 'operator', setQuota),
  post('/admin/user/remove', 'operator', removeUser, { confirm }),

  get('/admin/registration', 'operator', (visit) => showRegistration(visit)),
  post('/admin/registration/open', 'operator', openRegistration),
  post('/admin/registration/close', 'operator', closeRegistration),
  post('/admin/registration/default', 'operator', resetRegistration),
  post('/admin/registration/invite', 'operator', invite),
  post('/admin/registration/cancel', 'operator', cancelInvitation),
  post('/admin/registration/return', 'operator', allowReturn),

  get('/admin/backups', 'operator', (visit) => showBackups(visit)),
  post('/admin/backups', 'operator', makeBackup),
  post('/admin/backups/download', 'operator', downloadBackup, { confirm }),

  get('/admin/check', 'operator', (visit) => showCheck(visit)),
  post('/admin/check', 'operator', runCheck),

  get('/admin/settings', 'operator', showSettings),
  get('/admin/activity', 'operator', showActivity),
]
