export default { prerender: true }
