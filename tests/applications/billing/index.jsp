<%@ page import="java.sql.*" %>
<%@ include file="/WEB-INF/page.jspf" %>
<%
  Class.forName("org.postgresql.Driver");
  Properties login = new Properties();
  login.setProperty("user", settings.getProperty("database.user"));
  login.setProperty("password", System.getenv("DB_PASSWORD"));
  login.setProperty("connectTimeout", "2");
  try (Connection database = DriverManager.getConnection(settings.getProperty("database"), login);
       ResultSet row = database.createStatement().executeQuery("SELECT count(*), sum(amount), min(currency) FROM entry")) {
    row.next();
%>
<p>The ledger holds <b id="entries"><%= row.getInt(1) %></b> entries, <%= row.getBigDecimal(2) + " " + row.getString(3) %>.
<%
  } catch (SQLException failure) {
    application.log("the ledger does not answer", failure);
    response.setStatus(500);
%>
<p>The ledger does not answer: <%= failure.getMessage() %>
<%
  }
  String customers = ask("http://customers:8080/customers/names.jsp");
  String audit = ask("http://audit:8080/audit/record.jsp?who=billing&what=index");
%>
<p>Customers: <span id="customers"><%= customers == null ? "not running" : customers %></span>
<p>Audit: <span id="audit"><%= audit == null ? "not running" : audit %></span>
