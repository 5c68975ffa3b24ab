import t from 'tap'
import { checkMoving, checkReserved } from '../../../src/store/redis-store/check-moves.ts'
import type { Reply } from '../../../src/store/redis-store/engine.ts'
import { keysOfCluster } from '../../../src/store/redis-store/keys.ts'

t.test('an account that is being renamed is told with the command that finishes it', async (t) => {
  t.same(checkMoving('path', 'ann', ['id', '1', 'move', '3']), [])
  t.same(checkMoving('path', "o'neil", ['movesTo', 'a b']), [
    {
      path: 'path',
      problem: 'is being renamed to a b, and until then requests get 503',
      advice: `nothing is to be done while a command renames it; otherwise: kss user rename 'o'\\''neil' 'a b'`,
      damage: true,
    },
  ])
})

const { account: old } = keysOfCluster('ann')
const { account: own } = keysOfCluster('bea')
const kept = ['id', '3', 'ann']
const told = [
  {
    path: own,
    problem: 'keeps the name for ann, which is not being renamed to it any more',
    repair: 'frees the name',
    damage: false,
  },
]

const cases: Record<string, [replies: Record<string, (string | null)[][]>, expected: unknown, freed: number]> = {
  'a name that is not reserved': [{ [own]: [['id', '3', null]] }, undefined, 0],
  'a name whose account is no hash': [{}, undefined, 0],
  'a name of an account that is gone': [{ [own]: [kept, kept] }, told, 1],
  'a name of an account on its way': [{ [own]: [kept], [old]: [['id', '3', 'bea']] }, [], 0],
  'a name of an account that arrives meanwhile': [
    { [own]: [kept, ['id', '3', null]], [old]: [[null, null, null]] },
    [],
    0,
  ],
  'a name of an account that goes elsewhere': [{ [own]: [kept, kept], [old]: [['id', '4', 'fay']] }, told, 1],
  'a name of an account that begins again': [{ [own]: [kept, kept], [old]: [['id', '4', 'bea']] }, told, 1],
  'a name of an account that is another one by now': [{ [own]: [kept, kept], [old]: [['2', '3', 'bea']] }, told, 1],
}
for (const [name, [replies, expected, freed]] of Object.entries(cases)) {
  t.test(name, async (t) => {
    for (const mends of [false, true]) {
      const left = structuredClone(replies)
      const runs: unknown[] = []
      const engine = {
        keysOf: keysOfCluster,
        ask: async ([command, key]: string[]): Promise<Reply> =>
          command === 'TYPE' ? (left[key!] ? 'hash' : 'string') : left[key!]!.shift()!,
        run: async (_script: unknown, keys: string[], args: unknown[]): Promise<Reply[]> => {
          runs.push([keys[1], ...args.slice(0, 2)])
          return []
        },
      }
      t.same(await checkReserved(engine, 'bea', mends), expected)
      t.same(runs, mends && freed > 0 ? [[own, 'id', '3']] : [])
    }
  })
}
