import { showBooks } from './books.ts'
import { createFrame } from './frame.ts'
import type { ConsoleOptions } from './options.ts'
import type { Answerer } from './plugin.ts'
import { get, post, type Route } from './route.ts'
import { showFront, signIn, signOut } from './sign-in.ts'
import { showSignUp, signUp } from './sign-up.ts'

/** All pages and forms of the console. */
export const routes: Route[] = [
  get('/', 'anyone', showFront),
  post('/sign-in', 'anyone', signIn),
  get('/sign-up', 'anyone', showSignUp),
  post('/sign-up', 'anyone', signUp),
  post('/sign-out', 'reader', signOut),

  get('/books', 'reader', showBooks),
]

export async function openConsole(options: ConsoleOptions): Promise<Answerer> {
  const frame = await createFrame(options, routes)
  await frame.ready()
  return (request, response) => frame.routing(request, response)
}
