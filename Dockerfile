FROM node:24-slim
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm install --no-save --omit=dev --omit=optional --no-fund --no-audit --loglevel=error
COPY src ./src
COPY flows ./flows
RUN mkdir -p .gangway && chown -R node:node /app
USER node
EXPOSE 3000
# As `npm start` sets them: see src/memorySettings.ts.
ENV MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=131072
CMD ["node", "src/main.ts"]
