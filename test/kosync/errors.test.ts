import { constants } from 'node:os'
import { PassThrough } from 'node:stream'
import t from 'tap'
import { createAnswerRaw, errorName } from '../../src/kosync/errors.ts'
import { ProtocolError } from '../../src/kosync/protocol-error.ts'

const systemError = (code: string): Error => Object.assign(new Error(code), { code, errno: -1 })
const quotaErrno = -constants.errno.EDQUOT
const quotaError = Object.assign(new Error(), { code: `Unknown system error ${quotaErrno}`, errno: quotaErrno })

for (const [what, error, expected] of [
  ['an error of the protocol', new ProtocolError('userExists'), 'userExists'],
  ['a full disk', systemError('ENOSPC'), 'storageFull'],
  ['a quota', systemError('EDQUOT'), 'storageFull'],
  ['a quota that Node has no name for', quotaError, 'storageFull'],
  ['a failing disk', systemError('EIO'), 'unavailable'],
  ['missing rights', systemError('EACCES'), 'unavailable'],
  ['too many open files', systemError('EMFILE'), 'unavailable'],
  ['a damaged file', Object.assign(new Error('x'), { code: 'DAMAGED_FILE' }), 'unavailable'],
  ['an engine that is away', Object.assign(new Error('x'), { code: 'STORE_UNAVAILABLE' }), 'unavailable'],
  ['another folder', Object.assign(new Error('x'), { code: 'FOLDER_REPLACED' }), 'unavailable'],
  ['an account that changed', Object.assign(new Error('x'), { code: 'STALE_ACCOUNT' }), 'unauthorized'],
  ['an account that is full', Object.assign(new Error('x'), { code: 'QUOTA_REACHED' }), 'quotaReached'],
  ['a bug', new TypeError('x is not a function'), 'unknown'],
  ['something thrown that is no error', 'oops', 'unknown'],
  ['what Fastify refuses', Object.assign(new Error('x'), { statusCode: 400 }), 'badRequest'],
  ['what Fastify fails at', Object.assign(new Error('x'), { statusCode: 500 }), 'unknown'],
  ['a body that is too large', Object.assign(new Error('x'), { code: 'FST_ERR_CTP_BODY_TOO_LARGE' }), 'bodyTooLarge'],
] as const) {
  t.test(`${what} is ${expected}`, async (t) => {
    t.equal(errorName(error), expected)
  })
}

t.test('a client that is gone is not answered', async (t) => {
  const socket = new PassThrough()
  socket.destroy()
  createAnswerRaw({}, () => t.fail('told of an answer'))(socket, 'badRequest')
  t.equal(socket.writableLength, 0)
})

for (const [seconds, time] of [
  [1, '1 second'],
  [59, '59 seconds'],
  [60, '1 minute'],
  [61, '2 minutes'],
  [3600, '60 minutes'],
] as const) {
  t.test(`an attempt too many says to wait for ${time}`, async (t) => {
    t.equal(new ProtocolError('tooManyAttempts', seconds).message, `Too many attempts. Try again in ${time}.`)
  })
}
