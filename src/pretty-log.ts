// Loaded lazily itself: what is loaded lazily of a package in CommonJS has no names in the bundle.
export { prettyFactory } from 'pino-pretty'
