export default {
  async rewrites() {
    return [
      { source: '/api/:path*', destination: 'http://localhost:8000/api/:path*' },
      { source: '/files/:path*', destination: 'http://127.0.0.1:8000/:path*' },
      { source: '/blog/:slug', destination: 'https://example.com/blog/:slug' },
    ];
  },
};
