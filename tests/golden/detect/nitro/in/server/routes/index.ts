export default eventHandler(() => 'hi')
