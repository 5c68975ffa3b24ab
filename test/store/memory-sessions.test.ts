import t from 'tap'
import { MemorySessions } from '../../src/store/memory-sessions.ts'
import { testSessions } from './sessions-contract.ts'

testSessions(t, async () => new MemorySessions())
