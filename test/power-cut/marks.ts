/** What a client asks for. */
export type Act =
  | { act: 'create' | 'replaceKey'; username: string; key: string }
  | { act: 'delete'; username: string }
  | { act: 'push'; username: string; life: string; document: string; progress: string }

/** A line that the workload writes outside of the state directory: an act when it is asked for, then what came of it. */
export interface Mark {
  id: number
  act?: Act
  /** Whether it was done: the name was free, the user was there, … */
  result?: boolean
}

/** An act and its place among the calls. */
export interface Asked {
  act: Act
  sent: number
  /** Infinity when nobody was told. */
  answered: number
  result: boolean
}

export function collectAsked(marks: { at: number; mark: Mark }[]): Asked[] {
  const asked = new Map<number, Asked>()
  for (const { at, mark } of marks) {
    const { id, act, result } = mark
    if (act) asked.set(id, { act, sent: at, answered: Infinity, result: true })
    else Object.assign(asked.get(id)!, { answered: at, result })
  }
  return [...asked.values()]
}
