export default () => <h1>Don't {import.meta.env.VITE_API_URL}</h1>
