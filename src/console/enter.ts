import type { FastifyReply, FastifyRequest } from 'fastify'
import { askPassword, isPasswordRight } from './confirm.ts'
import { checkOrigin, checkToken, tokenOf, type Source } from './guard.ts'
import type { ConsoleOptions } from './options.ts'
import { links, type Html } from './page.ts'
import { Refusal } from './refusal.ts'
import type { Answer, ReaderVisit, Route, Visit } from './route.ts'
import type { Sessions, SignedIn } from './sessions.ts'

export interface Entrance {
  options: ConsoleOptions
  sessions: Sessions
  sourceOf: (request: FastifyRequest) => Source
}

interface Entered {
  answer: Answer
  navigation: Html | undefined
}

/** The entry to each page and form: checks the origin of a form, the session, the token, and the role. */
export async function enter(
  route: Route,
  entrance: Entrance,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Entered> {
  const { options, sessions, sourceOf } = entrance
  const source = sourceOf(request)
  if (route.method === 'POST') checkOrigin(request, source)
  const signedIn = await sessions.find(request, reply, source.isHttps)
  if (signedIn) {
    request.account = signedIn.user.account
    options.onAuthorized(request, reply)
  }
  const begun = visitOf(entrance, request, reply, signedIn)
  const visit = route.who === 'anyone' ? { ...begun, token: formToken(route, entrance, begun, reply) } : begun
  const isOperator = signedIn?.user.admin === true
  const navigation = signedIn && links(visit.base, visit.path, isOperator, tokenOf(signedIn.id), options.extra?.link)
  return { answer: await answerOf(route, sessions, visit, signedIn), navigation }
}

async function answerOf(
  route: Route,
  sessions: Sessions,
  visit: Visit,
  signedIn: SignedIn | undefined,
): Promise<Answer> {
  // Its type says more than it needs.
  if (route.who === 'anyone') return await route.act(visit as ReaderVisit)
  if (!signedIn) {
    if (route.method === 'GET') return { redirect: `/?next=${encodeURIComponent(nextOf(visit))}` }
    throw new Refusal(401, 'You are signed out', 'Nothing was done. Go back to the first page, and sign in again.')
  }
  if (route.method === 'POST') checkToken(visit.form, visit.token)
  const { session, user } = signedIn
  const isOperator = user.admin === true
  if (route.who === 'operator' && !isOperator) {
    throw new Refusal(403, 'Only for the operator', 'This page is for whoever runs the server.')
  }
  const reader = { ...visit, session, user, account: user.account, isOperator }
  if (route.confirm && sessions.needsPassword(session)) {
    if (!(await isPasswordRight(reader))) return askPassword(reader)
    reader.session = await sessions.confirm(session)
  }
  return await route.act(reader)
}

/** The page to show after the log-in. */
function nextOf({ path, query }: Visit): string {
  return query.size > 0 ? `${path}?${query.toString()}` : path
}

/** Before the log-in the token belongs to a cookie of its own; a form without it is refused. */
function formToken({ method }: Route, { sessions }: Entrance, visit: Visit, reply: FastifyReply): string {
  const { request, form, isHttps } = visit
  const secret = sessions.findFormSecret(request, isHttps)
  if (method === 'POST') checkToken(form, secret === undefined ? undefined : tokenOf(secret))
  return tokenOf(sessions.formSecret(request, reply, isHttps))
}

function visitOf(
  { options, sessions, sourceOf }: Entrance,
  request: FastifyRequest,
  reply: FastifyReply,
  signedIn: SignedIn | undefined,
): Visit {
  const { host, isHttps } = sourceOf(request)
  const [path = '', query = ''] = request.url.split('?', 2)
  return {
    options,
    base: options.basePath,
    path: path.slice(options.basePath.length) || '/',
    params: request.params as Record<string, string>,
    query: new URLSearchParams(query),
    form: (request.body as URLSearchParams | undefined) ?? new URLSearchParams(),
    token: signedIn ? tokenOf(signedIn.id) : '',
    host,
    isHttps,
    ip: request.ip,
    isSignedIn: signedIn !== undefined,
    request,
    signIn: (account) => sessions.begin(account, request, reply, isHttps),
    signOut: () => sessions.end(request, reply, isHttps),
  }
}
