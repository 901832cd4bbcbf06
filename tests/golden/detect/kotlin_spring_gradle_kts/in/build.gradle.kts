plugins {
    kotlin("jvm") version "2.0.0"
    id("org.springframework.boot") version "3.3.2"
}
version = "0.0.1"
java { toolchain { languageVersion = JavaLanguageVersion.of(21) } }
dependencies { implementation("org.springframework.boot:spring-boot-starter-web") }
