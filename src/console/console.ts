import { changePassword, deleteAccount, exportAccount, showAccount, signOutEverywhere } from './account.ts'
import { adminRoutes } from './admin-routes.ts'
import { showBook } from './book.ts'
import { goBack } from './book-changes.ts'
import { nameBook, removeBook, showRemoval } from './book-forms.ts'
import { showBooks } from './books.ts'
import { showDevices } from './devices.ts'
import { createFrame } from './frame.ts'
import { showHelp } from './help.ts'
import { joinBooks, showJoin } from './join-books.ts'
import type { ConsoleOptions } from './options.ts'
import type { Answerer } from './plugin.ts'
import { get, post, type Route } from './route.ts'
import { showFront, signIn, signOut } from './sign-in.ts'
import { setUp, showSetup } from './setup.ts'
import { showSignUp, signUp } from './sign-up.ts'

/** All pages and forms of the console. */
export const routes: Route[] = [
  get('/', 'anyone', showFront),
  post('/sign-in', 'anyone', signIn),
  get('/sign-up', 'anyone', showSignUp),
  post('/sign-up', 'anyone', signUp),
  post('/sign-out', 'reader', signOut),
  get('/setup', 'anyone', showSetup),
  post('/setup', 'anyone', setUp),

  get('/books', 'reader', showBooks),
  get('/books/:id', 'reader', showBook),
  post('/books/:id/back', 'reader', goBack),
  post('/books/:id/title', 'reader', nameBook),
  get('/books/:id/remove', 'reader', showRemoval),
  post('/books/:id/remove', 'reader', removeBook, { confirm: true }),
  get('/books/:id/join', 'reader', showJoin),
  post('/books/:id/join', 'reader', joinBooks, { confirm: true }),
  get('/devices', 'reader', showDevices),

  get('/account', 'reader', showAccount),
  post('/account/password', 'reader', changePassword, { confirm: true }),
  get('/account/export/:format', 'reader', exportAccount),
  post('/account/sign-out-everywhere', 'reader', signOutEverywhere),
  post('/account/delete', 'reader', deleteAccount, { confirm: true }),

  get('/help', 'reader', showHelp),

  ...adminRoutes,
]

export async function openConsole(options: ConsoleOptions): Promise<Answerer> {
  const extra = (await options.extra?.routes()) ?? []
  const frame = await createFrame(options, [...routes, ...extra])
  await frame.ready()
  return (request, response) => frame.routing(request, response)
}
