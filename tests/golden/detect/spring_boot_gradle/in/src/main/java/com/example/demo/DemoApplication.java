package com.example.demo;

import org.springframework.boot.SpringApplication;

@SpringBootApplication
public class DemoApplication {
  public static void main(String[] args) { SpringApplication.run(DemoApplication.class, args); }
}
