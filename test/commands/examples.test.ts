import t from 'tap'
import { testExamples } from './example-lines.ts'

t.test('every example of every command works without a server', (t) => testExamples(t, false))
