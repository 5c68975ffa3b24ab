import t from 'tap'
import { reasonOf } from '../../../src/store/redis-store/unavailable.ts'

t.test('a connection that fails is said in the same words, however it fails', (t) => {
  const messages = [
    'connect ECONNREFUSED 127.0.0.1:6379',
    'read ECONNRESET',
    'write EPIPE',
    'connect ETIMEDOUT 10.0.0.1:6379',
    'connect EHOSTUNREACH 10.0.0.1:6379',
    'getaddrinfo ENOTFOUND redis',
    'getaddrinfo EAI_AGAIN redis',
    'The client is closed',
    'Socket closed unexpectedly',
  ]
  for (const message of messages) t.equal(reasonOf(new Error(message)), 'cannot be reached', message)
  t.equal(reasonOf(new Error('Connection timeout')), 'does not answer')
  t.equal(reasonOf(new Error('WRONGTYPE Operation against a key')), 'does not answer as it should (WRONGTYPE)')
  t.end()
})

t.test('a certificate that is not trusted is said, whatever is wrong with it', (t) => {
  const untrusted = 'has a certificate that is not trusted: name its authority in NODE_EXTRA_CA_CERTS'
  t.equal(reasonOf(new Error('self-signed certificate')), untrusted)
  t.equal(reasonOf(new Error('unable to verify the first certificate')), untrusted)
  t.equal(reasonOf(new Error('certificate has expired')), untrusted)
  t.end()
})
