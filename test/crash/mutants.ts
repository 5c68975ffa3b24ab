import type { Mutant } from '../own-build.ts'

/** A deliberate bug, and what finds it. */
export interface CrashMutant extends Mutant {
  /** @see CampaignOptions */
  loads: [number, number][]
  /** What is wrong with the history alone shows at a stop; for the rest a stop would be a lost kill. */
  stopEvery: number
  /** @see CampaignOptions */
  obstacles?: number
  /** What the oracle says of it. */
  symptom: RegExp
}

/** Each breaks one promise of STORAGE.md; the waits widen the moments that the kill has to hit. */
export const mutants: Record<string, CrashMutant> = {
  'acknowledges before the log is written': {
    file: 'store/file-store/wal/log.ts',
    text: 'await this.#write(lines)',
    by: 'setTimeout(() => void this.#mutex.run(() => this.#write(lines)), 150)',
    loads: [[150, 300]],
    stopEvery: Infinity,
    symptom: /was acknowledged/,
  },
  'writes records in place': {
    file: 'durable.ts',
    text: 'const temp = tempPath(dirname(path)) return await orRemove',
    by: `if (path.endsWith('.json')) {
        const file = await open(path, 'w', 0o600);
        await file.writeFile(data.slice(0, data.length / 2));
        await new Promise((resolve) => setTimeout(resolve, 150));
        await file.writeFile(data.slice(data.length / 2));
        return await file.stat().finally(() => file.close());
      }
      const temp = tempPath(dirname(path)); return await orRemove`,
    loads: [[620, 800]],
    stopEvery: Infinity,
    symptom: /\.json(?: is not whole|: is not JSON)/,
  },
  'forgets the log at the start': {
    file: 'store/file-store/file-store.ts',
    text: 'await store.#replay(dir, all)',
    by: '',
    loads: [[150, 300]],
    stopEvery: Infinity,
    symptom: /was acknowledged/,
  },
  'replays lines that are in the history': {
    file: 'store/file-store/files/history-file.ts',
    text: 'if (unsure) await this.#cutOff(path, lines)',
    by: 'await new Promise((resolve) => setTimeout(resolve, 60))',
    loads: [[620, 800]],
    stopEvery: 2,
    symptom: /^history .* is there twice$/,
  },
  'recycles segments before the files are written': {
    file: 'store/file-store/wal/checkpoint.ts',
    text: 'const due = this.#memtable.pendingEntries()',
    by: `const { before } = await this.#log.rotate(() => undefined);
      await this.#log.dropBefore(before);
      await new Promise((resolve) => setTimeout(resolve, 400));
      const due = this.#memtable.pendingEntries()`,
    loads: [[620, 800]],
    stopEvery: 2,
    symptom: /was acknowledged/,
  },
  'keeps pushes anew after it made those before void': {
    file: 'store/file-store/wal/checkpoint.ts',
    text: "return failed.map(({ entry }) => (written.includes(entry) ? '' : formatPending(entry))).join('')",
    by: `setTimeout(() => void this.#log.append(() => failed.map(({ entry }) => formatPending(entry)).join('')), 2000);
      return failed.map(({ entry: { path } }) => {
        const [folder, file] = path.split('/').slice(-2);
        return JSON.stringify({ kind: 'tombstone', folder, file }) + '\\n';
      }).join('');`,
    loads: [[100, 600]],
    stopEvery: Infinity,
    obstacles: 0.5,
    symptom: /was acknowledged/,
  },
  'gives a new user what was pushed for a deleted one': {
    file: 'store/file-store/progress-files.ts',
    text: 'await this.forget(folder) await this.#log.append(() => formatTombstone(folder))',
    by: 'await this.forget(folder)',
    loads: [[300, 480]],
    stopEvery: Infinity,
    symptom: /was never pushed$/,
  },
  'acknowledges a new key before it is written': {
    file: 'store/file-store/user-files.ts',
    text: "await this.#write(folder, { ...rest, 'x-auth-key': key }, raise(account))",
    by: `const next = formatAuth({ ...rest, 'x-auth-key': key }, raise(account));
      this.#set(folder, next, statSync(join(folder, authFile)));
      setTimeout(() => void replaceFile(join(folder, authFile), next).catch(() => undefined), 400);`,
    loads: [[250, 400]],
    stopEvery: Infinity,
    symptom: /^log-in of /,
  },
}
