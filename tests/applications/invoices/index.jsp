<%@ include file="/WEB-INF/page.jspf" %>
<% String health = ask("http://billing:8080/billing/health"); %>
<p>Billing: <span id="billing"><%= health == null ? "not running" : health %></span>
