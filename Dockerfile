ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The scripts would build, and the sources come later: so packages are fetched anew only when the lock file changes.
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY build build
COPY bin bin
COPY src src
RUN npm run build

FROM ${NODE_IMAGE}
ENV NODE_ENV=production KSS_DIR=/data
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/dist dist
COPY --from=build /app/bin bin
RUN ln -s /app/bin/kss.cjs /usr/local/bin/kss && install -d -m 0700 -o 1000 -g 1000 /data
# The image's user "node", as a number: Kubernetes' runAsNonRoot cannot check a name.
USER 1000:1000
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# It reads the same variables as the server: set another port or base path with KSS_PORT and KSS_BASE_PATH, not with flags.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["kss", "healthcheck"]
ENTRYPOINT ["kss"]
CMD ["serve"]
