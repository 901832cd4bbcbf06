import { start } from '$fresh/server.ts';
await start();
