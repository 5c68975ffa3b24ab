import type { Registration } from '../store/store.ts'

/** Whether anybody may sign up; `disabled` is KSS_DISABLE_REGISTRATION, `now` in milliseconds since 1970. */
export function isRegistrationOpen({ open, until }: Registration, disabled: boolean, now: number): boolean {
  if (until !== undefined && now >= until * 1000) return false
  return open ?? !disabled
}
