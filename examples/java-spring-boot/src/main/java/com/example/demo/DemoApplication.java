package com.example.demo;

import java.lang.management.ManagementFactory;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class DemoApplication {
  private final AtomicLong visits = new AtomicLong();

  public static void main(String[] args) {
    SpringApplication.run(DemoApplication.class, args);
  }

  @GetMapping("/api/status")
  public Map<String, Object> status() {
    return Map.of(
        "greeting", "Hello from Spring Boot",
        "java", Runtime.version().toString(),
        "visits", visits.incrementAndGet(),
        "uptime", ManagementFactory.getRuntimeMXBean().getUptime() / 1000);
  }
}
