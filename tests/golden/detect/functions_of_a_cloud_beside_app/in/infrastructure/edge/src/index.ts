export default {
  async fetch(request: Request, env: { BUCKET: { get(key: string): Promise<unknown> } }) {
    return new Response(String(await env.BUCKET.get(new URL(request.url).pathname)));
  },
};
