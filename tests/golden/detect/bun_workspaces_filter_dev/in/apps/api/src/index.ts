import { Elysia } from 'elysia';
new Elysia().listen(process.env.PORT ?? 3000);
