/**
 * The console's paths, behind the base path, but for the first page, which has that of readers' wrong addresses: the server
 * passes them on, and what browsers ask for elsewhere. @see routes in console.ts
 */
export const consolePaths = [
  '/sign-in',
  '/sign-out',
  '/sign-up',
  '/setup',
  '/books',
  '/books/*',
  '/devices',
  '/devices/*',
  '/account',
  '/account/*',
  '/help',
  '/help/*',
  '/admin',
  '/admin/*',
  '/assets/*',
]
